"""AWS in one process: every call of botocore is intercepted, counted, faulted and answered."""
