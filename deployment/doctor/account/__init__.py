"""Compares an AWS account with the project, by reading calls alone."""
