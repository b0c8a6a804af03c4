rule miners_x { condition: false }
