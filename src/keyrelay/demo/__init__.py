"""Demo: the main job on this machine, with a killed worker and nothing lost."""
