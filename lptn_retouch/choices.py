"""How a result may be saved: the words for it, which a type checker knows too."""

from typing import Literal, TypeAlias, get_args

MetadataChoice: TypeAlias = Literal["keep", "strip-private", "none"]
ProfileChoice: TypeAlias = Literal["keep", "srgb"]
BitDepth: TypeAlias = Literal[8, 16, 32]

METADATA: tuple[str, ...] = get_args(MetadataChoice)
PROFILES: tuple[str, ...] = get_args(ProfileChoice)
