"""The parts of the stack, each one a construct that knows its own security and its reasons."""
