"""Candidates in other languages: a program that reads a case per line and writes a result per line."""
