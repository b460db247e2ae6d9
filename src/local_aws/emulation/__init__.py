"""What runs inside the emulator's own environment: ministack, with the gaps closed that this stack would fall into.

Nothing here is imported by the rest of `local_aws`; ministack is not installed there.
"""
