"""The Infra page: what there is, what is granted, what it costs to keep, what runs."""
