"""The few-shot paper's four tables and six figures, at equal budgets and on our data."""
