"""Tests of trainings on recordings."""
