"""`warm_start`: a model starts from the weights of another one."""
