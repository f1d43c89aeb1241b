"""A Chalice project of two tables and one handler."""
