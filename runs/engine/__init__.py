"""The engine: pure Python that decides what a run does next.

Nothing here knows the time, the database, the network or chance; the shell around it passes those in.
"""
