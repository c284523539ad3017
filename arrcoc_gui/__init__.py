"""The desktop app: views over the objects of `arrcoc_core`. Start it with `python -m arrcoc_gui` or `arrcoc
gui`.
"""
