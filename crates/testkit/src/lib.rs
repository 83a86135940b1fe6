//! Development only: reacting fake kernel, generators, fixtures
