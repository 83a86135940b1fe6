//! The main job, told step by step to a stranger.
