"""Emulators of AWS that tests begin in processes of their own, and what has to be done for their sake."""
