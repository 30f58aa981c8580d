"""The line chart: data, scales and drawing."""
