"""Words of the command line and the names there are to choose from; imports no torch."""
