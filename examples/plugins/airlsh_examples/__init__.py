"""Examples of plugins: a model and a metric outside airlsh."""
