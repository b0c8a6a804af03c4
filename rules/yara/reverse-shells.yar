rule reverse_shells_x { condition: false }
