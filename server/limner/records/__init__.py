"""What the server remembers: tables, migrations and queries. The only package that speaks SQL."""
