"""Made-up counties, indicators and years, for practice and for load: any number of them, seeded.

Everything here is synthetic and says so: ids begin with `sim-`, names with 「模拟」, `synthetic` is set, and figures
carry a note. Synthetic counties stand beside the real ones; real indicators never expect anything of them.
"""
