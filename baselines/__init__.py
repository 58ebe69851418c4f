"""The baseline zoo: one file a component. The registry finds them by their files."""
