"""From a hand-in to points, reasons and the record of both."""
