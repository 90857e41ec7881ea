//! The real daemon beside the game.
