"""Other names for nestflow: programs of other systems that run after one more import."""
