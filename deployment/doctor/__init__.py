"""Finds unsafe or missing settings of a stage before it is deployed."""
