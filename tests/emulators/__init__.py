"""Emulators of AWS that tests run in processes of their own, with their workarounds."""
