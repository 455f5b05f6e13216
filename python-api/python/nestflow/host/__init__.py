"""What runs user functions: drivers generated per chain, keys of odd objects, errors with their place.

Called by the compiled host only. Standard library and cloudpickle, nothing else: worker processes
start with nothing more than this.
"""
