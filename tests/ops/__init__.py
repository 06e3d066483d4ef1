"""Tests of orosync/ops."""
