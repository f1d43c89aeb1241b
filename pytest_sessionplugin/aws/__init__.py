"""AWS in one process: every botocore call intercepted, counted and answered, tables in memory, faults and races."""
