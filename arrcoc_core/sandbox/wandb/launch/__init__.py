"""W&B Launch: queues with their resources, the items in them, and the agents that take them.

queues.py      queues and resource configurations
templates.py   template variables: their schemas, and how values fill a configuration
items.py       items and their lease
agents.py      agents and whether they live
views.py       how GraphQL shows all of these; mutations.py: how it changes them
web.py         an item as the web page pushes it, and an agent told to stop there
"""
