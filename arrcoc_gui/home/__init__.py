"""The Home page: what runs, what came of the last runs, what to do next."""
