"""AWS in one process: one door for every botocore call, tables in memory, what was asked, what goes wrong."""
