"""What is learnt from: pictures found, opened, made small, checked, kept, and changed at random."""
