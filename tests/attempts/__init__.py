"""What students write: tables of answers with the points and the words that each must get, one module a lesson."""
