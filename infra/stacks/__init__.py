"""Stacks compose constructs and hold no resources of their own."""
