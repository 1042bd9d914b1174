"""The charts of the insights page: what each shows, its table, its sentence, and how old it is."""
