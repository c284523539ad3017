"""Vertex AI's JobService: jobs that really run, as processes of this machine."""
