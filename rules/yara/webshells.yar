rule webshells_x { condition: false }
