"""A folder for PYTHONPATH: Python runs `sitecustomize` at the start of an interpreter."""
