"""Parts of transforms that programs name: see ``sort``."""
