"""The logical plan: plain data, how it is built, and its wire form.

Standard library only: it must not know handles, engines or the compiled module.
"""
