"""Demo: the main job on this machine, with a kill and nothing lost."""
