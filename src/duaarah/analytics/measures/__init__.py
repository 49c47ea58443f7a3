# SPDX-License-Identifier: Apache-2.0
"""What is measured in readings: Ibis expressions only, the same on DuckDB and on Spark. No database, no Django."""
