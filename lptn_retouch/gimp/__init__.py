"""The GIMP plug-in's way into GIMP: installed, looked after, removed. The plug-in itself imports nothing of this."""
