"""PostgreSQL: how units of work run on it, and how many of them share one transaction.

``database`` is the engine: pools of connections, each with its line of waiting units. It drives a unit itself, one
statement after another (``stepping``), on a ``connection`` that ``connecting`` has made. To know that units work on
PostgreSQL as on SQLite is enough to use it; the rest of this folder makes the units of a charge fast.

Those are marked :func:`azukari.db.batched`. As many as wait at the same moment go in lock step (``lockstep``): their
equal statements travel as one over many sets of parameters, which ``bulk`` derives from the plain statement, and one
commit answers them all. A unit that fails after it wrote makes the batch start again without it.

``leftovers`` sees to what deleted rows leave in the files. Nothing here is imported on SQLite, but for ``bulk``.
"""
