"""The few-shot paper's four tables and three figures, at equal budgets and on our data."""
