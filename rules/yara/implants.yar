rule implants_x { condition: false }
