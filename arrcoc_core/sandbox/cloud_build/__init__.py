"""Cloud Build: reads the source, follows the Dockerfile as far as it copies and declares, pushes a real digest."""
