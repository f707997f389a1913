"""The benchmarks: one file per benchmark, one table at the end. ``docs/performance.md`` says what each one means."""
