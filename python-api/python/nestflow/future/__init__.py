"""Parts of the original system's future: see ``fields``."""
