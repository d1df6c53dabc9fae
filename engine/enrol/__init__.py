"""Enrolment: from a drawing to a character that moves."""
