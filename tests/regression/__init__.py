"""How often the gate of re-trained numbers is wrong, by simulation and by planted faults."""
